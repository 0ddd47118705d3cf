package ldif

// The names are invented combinations; the alphabets are the point.
var (
	given = []string{
		"Anna", "Bruno", "Chloé", "Dilan", "Elif", "Farid", "Greta", "Håkon", "Inês", "Jürgen", "Katya", "Ľubica", "Mirek",
		"Noor", "Ögmundur", "Paweł", "Quirin", "Róisín", "Søren", "Tamar", "Uğur", "Valérie", "Wendy", "Ximena", "Yuki",
		"Željko", "Мария", "Фёдор", "Ελένη", "דנה", "سامي", "美咲", "지훈", "Thị Lan",
	}
	family = []string{
		"Adler", "Brännström", "Castaño", "Dvořák", "Eriksen", "Fournier", "García Núñez", "Horváth", "Ibsen", "Jónsdóttir",
		"Kowalska", "Lefèvre", "Müller", "Nguyễn", "O'Brien", "Petrov", "Quispe", "Rodrigues", "Şahin", "Tanaka", "Urban",
		"van der Meer", "Weiß", "Xu", "Yılmaz", "Zając", "Иванова", "Παππάς", "כהן", "حداد", "佐藤", "김",
	}
	areas = []string{"ai", "sales", "finance", "legal", "ops", "research", "hr", "support", "design"}
	odd   = []string{"Büro Süd", "R, D", "Équipe A+B", "Отдел", "東京", "\"Quoted\"", "a<b>c;d", "C\\D", "#1 team"}
)
